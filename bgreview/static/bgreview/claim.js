/* A claim lives while its page is open, in front or not: one beat a minute. */
"use strict";
{
  const BEAT = 60_000;
  setInterval(() => {
    const claim = document.querySelector("[data-beat]");
    if (claim && window.htmx) window.htmx.trigger(claim, "beat");
  }, BEAT);
}
