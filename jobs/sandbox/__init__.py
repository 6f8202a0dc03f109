"""A stand-in for OpenAI's background Responses, speaking the same wire protocol.

A second implementation, not a mock: `app.make_app()` is a small ASGI application with
its state in memory, which the real SDK talks to over HTTP. It is as strict as the
real API about what it accepts, takes its time, and answers from what the job itself
was given, so that a reviewer can check the answer. `scenarios.SCENARIOS` lists how a
run can go; nothing here knows the rest of bgreview.
"""
