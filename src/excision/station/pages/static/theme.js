// Before anything is drawn, so that no page flashes in the wrong theme.
"use strict";
(() => {
  let theme = "auto";
  try { theme = localStorage.getItem("excision-theme") || "auto"; } catch { /* a browser that keeps nothing */ }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  document.documentElement.classList.add("js");
})();
