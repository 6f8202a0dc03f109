/* The queue by keyboard: j and k go from row to row, Enter opens, c claims. */
"use strict";
{
  const links = () => [...document.querySelectorAll("#result_list tbody th a")];
  const current = () => links().findIndex((link) => link === document.activeElement);
  const go = (step) => {
    const all = links();
    const from = current();
    const to = from < 0 ? 0 : Math.min(Math.max(from + step, 0), all.length - 1);
    if (all[to]) all[to].focus();
  };
  const claim = () => {
    const row = links()[current()]?.closest("tr");
    row?.querySelector("[data-claim]")?.click();
  };
  const KEYS = { j: () => go(1), k: () => go(-1), c: claim };

  document.addEventListener("shortcut", (event) => {
    const act = KEYS[event.detail];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
