/* What was begun in a form is not lost by a wrong key, a reload or a colleague: it stays
   in this tab until the form is sent, or until one logs out. */
"use strict";
{
  const PREFIX = "draft:";
  const fields = (form) => [...form.elements].filter((field) =>
    field.name && field.matches("textarea, input:is([type=text], [type=number])"));
  const read = (key) => JSON.parse(sessionStorage.getItem(key) || "{}");
  const save = (form, key) => {
    const begun = fields(form).filter((field) => field.value !== field.defaultValue);
    const kept = Object.fromEntries(begun.map((field) => [field.name, field.value]));
    if (begun.length) sessionStorage.setItem(key, JSON.stringify(kept));
    else sessionStorage.removeItem(key);
  };
  const restore = (form, key) => {
    const kept = read(key);
    const empty = (field) => field.name in kept && field.value === field.defaultValue;
    const found = fields(form).filter(empty);
    for (const field of found) field.value = kept[field.name];
    const note = form.querySelector("[data-restored]");
    if (note && found.length) note.hidden = false;
  };

  for (const form of document.querySelectorAll("form[data-draft]")) {
    const key = PREFIX + form.dataset.draft;
    restore(form, key);
    document.addEventListener("input", (event) => {
      if (event.target.form === form) save(form, key);
    });
    form.addEventListener("submit", () => sessionStorage.removeItem(key));
  }
  document.querySelector("form[data-logout]")?.addEventListener("submit", () => {
    const drafts = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
    for (const key of drafts) sessionStorage.removeItem(key);
  });
}
