"use strict";
(() => {
  const root = document.documentElement;
  const kept = {
    get(name) { try { return localStorage.getItem(`excision-${name}`); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(`excision-${name}`, value); } catch { /* keeps nothing */ } },
  };

  // Theme: as the system, light, dark.
  const themes = ["auto", "light", "dark"];
  function showTheme(theme) {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-button]")) {
      button.hidden = false;
      button.textContent = button.dataset[theme];
    }
  }
  const theme = () => (themes.includes(kept.get("theme")) ? kept.get("theme") : "auto");

  // From image to map: one slider for the whole page, remembered.
  function showMix(value) {
    root.style.setProperty("--mix", String(value / 100));
    for (const slider of document.querySelectorAll("[data-mix]")) slider.value = value;
  }

  function remembered(within) {
    for (const field of within.querySelectorAll("[data-remember]")) {
      const value = kept.get(field.dataset.remember);
      if (value === null) continue;
      if (field.type === "checkbox") field.checked = value === "yes";
      else if (!field.value) field.value = value;
    }
  }

  // Single keys may be switched off: who speaks to a computer says many letters.
  const keysAreOn = () => kept.get("keys") !== "off";
  function showKeys(within) {
    for (const button of within.querySelectorAll("[data-keys-button]")) {
      button.hidden = false;
      button.textContent = keysAreOn() ? button.dataset.on : button.dataset.off;
    }
  }

  const say = (words) => { const place = document.getElementById("say"); if (place.textContent !== words) place.textContent = words; };
  const alarm = (words) => { const place = document.getElementById("alert"); if (place.textContent !== words) place.textContent = words; };

  function fresh(within) {
    remembered(within);
    showKeys(within);
    showMix(Number(kept.get("mix") ?? 60));
    const words = within.querySelector("[data-say]");
    if (words) say(words.dataset.say);
  }

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-mix]")) { kept.set("mix", field.value); showMix(Number(field.value)); }
    if (field.dataset.remember) kept.set(field.dataset.remember, field.type === "checkbox" ? (field.checked ? "yes" : "no") : field.value);
    if (field.dataset.twin) document.getElementById(field.dataset.twin).value = Number(Number(field.value).toPrecision(6));
    const twin = field.id && document.querySelector(`[data-twin="${CSS.escape(field.id)}"]`);
    if (twin) twin.value = field.value;
  });
  document.addEventListener("change", (event) => {
    const address = event.target.dataset.navigates;
    if (address) location.assign(address + encodeURIComponent(event.target.value));
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-button]")) {
      const next = themes[(themes.indexOf(theme()) + 1) % themes.length];
      kept.set("theme", next);
      showTheme(next);
    }
    if (button.matches("[data-keys-button]")) {
      kept.set("keys", keysAreOn() ? "off" : "on");
      showKeys(document);
    }
    if (button.dataset.opens) {
      const dialog = document.getElementById(button.dataset.opens);
      remembered(dialog);
      dialog.showModal();
    }
    if (button.matches("[data-closes]")) button.closest("dialog").close();
  });

  // Single keys, where nothing is being written and no other key is held.
  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (field.matches("textarea") && event.key === "Escape") { field.blur(); return; }
    if (!keysAreOn() || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (field.matches("textarea, select, input:not([type=checkbox])") || document.querySelector("dialog[open]")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const found = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!found) return;
    event.preventDefault();
    if (found.matches("textarea, input")) found.focus(); else found.click();
  });

  // A dropped image is the chosen one.
  for (const form of document.querySelectorAll("[data-drop]")) {
    const over = (on) => (event) => { event.preventDefault(); form.classList.toggle("over", on); };
    form.addEventListener("dragover", over(true));
    form.addEventListener("dragleave", over(false));
    form.addEventListener("drop", (event) => {
      over(false)(event);
      if (!event.dataTransfer.files.length) return;
      form.querySelector("input[type=file]").files = event.dataTransfer.files;
      form.requestSubmit();
    });
  }

  // Parts of the live page change one by one, and a picture only once the next one is there.
  const WAIT = 4000;
  let turn = 0;
  const loaded = (picture) => new Promise((done) => {
    picture.addEventListener("load", done, { once: true });
    picture.addEventListener("error", done, { once: true });
    setTimeout(done, WAIT);
  });
  function replace(old, next) {
    for (const picture of next.querySelectorAll("img")) {
      const same = old.querySelector(`img[src="${CSS.escape(picture.getAttribute("src"))}"]`);
      if (same) picture.replaceWith(same);
    }
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.replaceWith(next);
    refocus(focused);
  }
  const refocus = (id) => { if (id) document.getElementById(id)?.focus({ preventScroll: true }); };
  async function calm(parts) {
    const mine = ++turn;
    for (const waiting of document.querySelectorAll(".waiting")) waiting.remove();
    // What somebody unfolded stays unfolded.
    for (const next of parts) for (const folded of next.querySelectorAll("details[id]")) folded.open = document.getElementById(folded.id)?.open ?? false;
    const changed = parts.map((next) => [document.getElementById(next.id), next]).filter(([old, next]) => old && old.outerHTML !== next.outerHTML);
    const buffered = changed.filter(([, next]) => next.hasAttribute("data-buffered"));
    for (const [old, next] of buffered) {
      next.classList.add("waiting");
      next.setAttribute("aria-hidden", "true");
      old.after(next);
    }
    await Promise.all(buffered.flatMap(([, next]) => Array.from(next.querySelectorAll("image"), loaded)));
    if (mine !== turn) return;
    for (const [old, next] of buffered) {
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.remove();
      next.classList.remove("waiting");
      next.removeAttribute("aria-hidden");
      refocus(focused);
    }
    for (const [old, next] of changed) if (!next.hasAttribute("data-buffered")) replace(old, next);
    fresh(document.getElementById("live"));
  }
  htmx.defineExtension("calm", {
    isInlineSwap: () => false,
    handleSwap(style, target, fragment) {
      if (style !== "calm") return false;
      calm(Array.from(fragment.children).map((part) => document.adoptNode(part)));
      return true;
    },
  });

  document.addEventListener("htmx:load", (event) => fresh(event.detail.elt));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) alarm(""); });
  document.addEventListener("htmx:sendError", () => alarm(document.getElementById("alert").dataset.noContact));
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText, responseURL } = event.detail.xhr;
    if (status === 401) { location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`); return; }
    const words = new DOMParser().parseFromString(responseText, "text/html").querySelector("[data-sentence]");
    alarm(words ? words.textContent : `${status} ${responseURL}`);
  });

  showTheme(theme());
  fresh(document);
})();
