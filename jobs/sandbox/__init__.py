"""A stand-in for OpenAI's background Responses, speaking the same wire protocol.

A second implementation, not a mock: `app.make_app()` is a small ASGI application with
its state in memory, which the real SDK talks to over HTTP. It is as strict as the
real API about what it accepts, takes its time, and answers from what the job itself
was given, so that a reviewer can check the answer. `scenarios.SCENARIOS` lists how a
run can go; nothing here knows the rest of bgreview.

- The API: `app` puts it together, `serving` runs it on a port; `responses` and
  `endpoints` (of webhooks) are its routes, `answers` and `reading` what they have in
  common; `strictness`, `fields` and `schemas` say what is refused, with `errors`;
  `store` has the runs and their times, `wire` and `items` what a response looks like.
- Conversations: `conversations` has them and their items, `conversing` their routes.
- Webhooks: `events` is what is sent, `sender` sends it.
- What can go wrong, to order: `faults` is the table, `orders` has the orders and the
  dice, `plays` and `breakage` play them.
- How a run goes: `scenarios` is the table, `endings` how each ends; `calls` are those
  that wait for an answer; `recordings` are scenarios from files.
- What a request says: `prompts`, read with `words` (words and sentences), `kinds`
  (dates, money, addresses) and `policy` (a house's rules).
- Answers: `cited` from `claims`; `drafts`; `hostile`; and JSON, which `filling` walks
  through, with `leaves` for single values and `rows` for lists, from `facts` and
  within `limits`.
"""
