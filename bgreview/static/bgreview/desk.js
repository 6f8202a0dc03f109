/* Small helpers. Every page works without them. */
"use strict";
{
  const typing = (element) =>
    element.matches("input, textarea, select, [contenteditable]");

  /* Rows of a list open on a click anywhere in them. */
  document.addEventListener("click", (event) => {
    const row = event.target.closest("#result_list tbody tr");
    const control = event.target.closest("a, input, label, button, summary");
    const link = row && row.querySelector("th a");
    if (link && !control && !String(getSelection())) link.click();
  });

  /* A form is sent once; coming back with the back button opens it again. */
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-once]");
    if (!form) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-once]")) {
      delete form.dataset.sent;
    }
  });

  /* Live parts ask for news while the page is looked at, and not while in use. */
  const due = new WeakMap();
  setInterval(() => {
    if (document.hidden || !window.htmx) return;
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const wait = Number(part.dataset.refresh) * 1000;
      if (!due.has(part)) due.set(part, Date.now() + wait);
      if (Date.now() < due.get(part) || part.contains(document.activeElement)) continue;
      due.set(part, Date.now() + wait);
      window.htmx.trigger(part, "refresh");
    }
  }, 1000);

  /* What leaves soon counts down; once it has left, it cannot be taken back. */
  const tick = () => {
    for (const time of document.querySelectorAll("[data-countdown]")) {
      const left = Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000);
      time.textContent = left > 0 ? `in ${left} s` : "now";
      if (left <= 0) time.closest("[data-window]").hidden = true;
    }
  };
  tick();
  setInterval(tick, 1000);

  /* Filters close with Escape and with a click elsewhere. */
  const close = (except) => {
    for (const open of document.querySelectorAll("details.menu[open]")) {
      if (!except || !open.contains(except)) open.open = false;
    }
  };
  document.addEventListener("click", (event) => close(event.target));

  /* Keys, unless they are switched off or go into a field. The page's own script hears
     of each first, as "shortcut"; else data-key takes the focus (what it does wants Enter)
     and data-press is pressed. "?" lists them. */
  const KEYS = "bgreview-shortcuts";
  const on = () => localStorage.getItem(KEYS) !== "off";
  const named = (name, key) => document.querySelector(`[${name}="${CSS.escape(key)}"]`);
  const follow = (key) => {
    const list = key === "?" && document.getElementById("keys");
    if (list) return list.togglePopover(), true;
    const press = named("data-press", key);
    if (press) return press.click(), true;
    const aim = named("data-key", key);
    if (!aim) return false;
    const reason = aim.disabled && document.getElementById(aim.getAttribute("aria-describedby"));
    (reason || aim).focus();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!on() || typing(event.target)) return;
    const shortcut = { detail: event.key, cancelable: true };
    const heard = !document.dispatchEvent(new CustomEvent("shortcut", shortcut));
    if (heard || follow(event.key)) event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-shortcuts]")) {
    const say = () => { button.querySelector("span").textContent = on() ? "on" : "off"; };
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      localStorage.setItem(KEYS, on() ? "off" : "on");
      say();
    });
  }
}
