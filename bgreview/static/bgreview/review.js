/* The review page by mouse and by keys. One check or citation is at hand at a time: its
   passage is marked in the text, and the keys for verdicts go to it. */
"use strict";
{
  const WIDE = matchMedia("(min-width: 1100px)");  // both columns: as in review.css
  const items = () => [...document.querySelectorAll("[data-item]")];
  let current = "";  // its id: what comes back from the server takes its place
  const atHand = () => current && document.getElementById(current);
  const passagesOf = (item) =>
    document.querySelectorAll(`mark.passage[data-citation="${item.dataset.citation}"]`);

  const mark = (item) => {
    const marked = document.querySelectorAll(".review .at-hand");
    for (const element of [...marked]) element.classList.remove("at-hand");
    for (const element of [item, ...passagesOf(item)]) element.classList.add("at-hand");
    current = item.id;
  };
  const take = (item) => {
    if (item.id === current) return;
    mark(item);
    if (window.htmx) window.htmx.trigger(item, "opened");
  };
  const goTo = (item) => {
    if (!item) return;
    take(item);
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
    const [passage] = passagesOf(item);
    if (passage && WIDE.matches) passage.scrollIntoView({ block: "center" });
  };
  const step = (by) => {
    const all = items();
    const from = all.indexOf(atHand());
    goTo(from < 0 ? all.find((item) => "open" in item.dataset) || all[0] : all[from + by]);
  };

  /* A verdict goes on to what is still open, without waiting for the answer to it. */
  const judge = (key) => {
    const item = atHand();
    const button = item && item.querySelector(`[data-mark="${key}"]`);
    if (!button) return;
    const why = item.querySelector("input");
    if (why && key === "2" && !why.value) return why.focus();
    button.click();
    delete item.dataset.open;
    const all = items();
    const order = [...all.slice(all.indexOf(item)), ...all];
    goTo(order.find((other) => "open" in other.dataset) || item);
  };
  const openSource = () => {
    const link = atHand() && atHand().querySelector("a[target]");
    if (link) link.click();
  };

  const KEYS = { j: () => step(1), k: () => step(-1), o: openSource };
  KEYS.m = () => document.getElementById("id_comment")?.focus();
  for (const key of ["1", "2", "3"]) KEYS[key] = () => judge(key);
  document.addEventListener("shortcut", (event) => {
    const act = KEYS[event.detail];
    if (!act) return;
    event.preventDefault();
    act();
  });

  /* Esc leaves a field, so that keys are keys again; Enter after the reason why
     something is not so says that it is not. */
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches("input, textarea")) return;
    const item = event.target.closest("[data-item]");
    if (event.key === "Enter" && item) {
      event.preventDefault();
      mark(item);
      judge("2");
    } else if (event.key === "Escape") {
      event.target.blur();
      (item || atHand() || document.body).focus({ preventScroll: true });
    }
  });

  /* A number in the text leads to its citation, the citation's to its passage. */
  document.addEventListener("click", (event) => {
    const number = event.target.closest("a.cite, mark.passage");
    if (number && !event.target.closest("a:not(.cite)")) {
      const found = number.dataset.citation || number.hash.replace("#citation-", "");
      event.preventDefault();
      return goTo(document.getElementById(`citation-${found}`));
    }
    const item = event.target.closest("[data-item]");
    if (!item) return;
    take(item);
    if (event.target.closest("a.number")) {
      event.preventDefault();
      passagesOf(item)[0]?.scrollIntoView({ block: "center" });
    }
  });
  /* Not for a button that is being pressed: nothing may move before it is released. */
  document.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-item]");
    if (item && event.target.matches(":focus-visible")) take(item);
  });

  /* What came back for the item at hand is at hand. */
  document.addEventListener("htmx:load", (event) => {
    if (event.target.id && event.target.id === current) mark(event.target);
  });

  /* The evidence stands beside the text, above the decision however tall that is. */
  const decide = document.querySelector(".decide");
  if (decide) {
    const fit = () => document.documentElement.style.setProperty(
      "--decide", `${decide.offsetHeight}px`);
    new ResizeObserver(fit).observe(decide);
  }
}
