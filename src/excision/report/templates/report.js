"use strict";
(() => {
  const PAGE = 50;
  const themes = ["light dark", "light", "dark"];
  const names = { "light dark": "as the system", light: "light", dark: "dark" };

  function themeButton(button) {
    let place = 0;
    button.addEventListener("click", () => {
      place = (place + 1) % themes.length;
      document.documentElement.style.colorScheme = themes[place];
      button.textContent = `Theme: ${names[themes[place]]}`;
    });
  }

  function keyOf(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
    return cell.classList.contains("n") ? null : cell.textContent.trim();
  }

  const words = new Intl.Collator("en", { numeric: true });

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return words.compare(String(a), String(b));
  }

  // What is not known stays last, whichever way the rest is turned.
  function sortRows(body, column, falling) {
    const keyed = Array.from(body.rows, (row, place) => ({ row, place, key: keyOf(row, column) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      return (falling ? -1 : 1) * compare(a.key, b.key) || a.place - b.place;
    });
    // Taken out at once: one by one takes minutes where there are very many.
    body.replaceChildren();
    const sorted = document.createDocumentFragment();
    for (const entry of keyed) sorted.append(entry.row);
    body.append(sorted);
  }

  function sortable(table, changed) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      if (head.hasAttribute("data-fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      // A button is not repeated at the top of the next sheet of paper; words are.
      const words = document.createElement("span");
      words.className = "paper";
      words.append(...head.childNodes);
      head.append(button, words);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        sortRows(table.tBodies[0], column, falling);
        changed();
      });
    });
  }

  function gallery(section) {
    const body = section.querySelector("tbody");
    const find = (name) => section.querySelector(`[data-control="${name}"]`);
    const [text, outcome, label, pictures] = ["text", "outcome", "label", "pictures"].map(find);
    let page = 0;
    let here = [];
    let fitting = [];

    const fits = (row) =>
      (!text.value || row.cells[0].textContent.toLowerCase().includes(text.value.toLowerCase())) &&
      (!outcome.value || row.dataset.outcome === outcome.value) &&
      (!label || !label.value || row.dataset.label === label.value);

    function picture(row, wanted) {
      const link = row.querySelector("a");
      if (!link) return;
      const there = link.querySelector("img");
      if (wanted && !there) {
        const image = document.createElement("img");
        image.alt = "";
        image.loading = "lazy";
        image.src = link.href;
        link.prepend(image);
      } else if (!wanted && there) there.remove();
    }

    function show() {
      fitting = Array.from(body.rows).filter(fits);
      const pages = Math.max(1, Math.ceil(fitting.length / PAGE));
      page = Math.min(page, pages - 1);
      for (const row of here) { row.classList.remove("on"); picture(row, false); }
      here = fitting.slice(page * PAGE, (page + 1) * PAGE);
      for (const row of here) { row.classList.add("on"); picture(row, pictures.checked); }
      const all = body.rows.length;
      find("count").textContent =
        fitting.length === all ? `${all} image${all === 1 ? "" : "s"}` : `${fitting.length} of ${all} images match`;
      find("page").textContent = `Page ${page + 1} of ${pages}`;
      find("previous").disabled = page === 0;
      find("next").disabled = page === pages - 1;
      find("pages").hidden = pages === 1;
    }

    // On paper stands what fits, of all pages. Marking it takes long where there are very many, so not before.
    addEventListener("beforeprint", () => {
      const wanted = new Set(fitting);
      for (const row of Array.from(body.rows)) if (!wanted.has(row)) row.hidden = true;
    });
    addEventListener("afterprint", () => {
      for (const row of section.querySelectorAll("tr[hidden]")) row.hidden = false;
    });

    const again = () => { page = 0; show(); };
    for (const control of [text, outcome, label]) if (control) control.addEventListener("input", again);
    pictures.addEventListener("change", show);
    find("previous").addEventListener("click", () => { page -= 1; show(); });
    find("next").addEventListener("click", () => { page += 1; show(); });
    sortable(section.querySelector("table"), again);
    show();
  }

  // Without scripts nothing looks as if it could be enlarged.
  for (const picture of document.querySelectorAll(".panels .picture")) {
    picture.dataset.zoom = "";
    picture.tabIndex = 0;
    picture.setAttribute("role", "button");
    picture.setAttribute("aria-label", `Enlarge ${picture.dataset.zoomTitle}`);
  }
  for (const link of document.querySelectorAll("[data-gallery] a[data-zoom-title]")) link.dataset.zoom = "";

  // A table that is cut off says so.
  const cut = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const box = target.closest(".scroll");
      box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 1);
    }
  });
  for (const box of document.querySelectorAll(".scroll")) {
    cut.observe(box);
    for (const table of box.children) cut.observe(table);
  }

  for (const button of document.querySelectorAll("[data-theme]")) themeButton(button);
  for (const table of document.querySelectorAll("table.sortable")) sortable(table, () => {});
  for (const section of document.querySelectorAll("[data-gallery]")) gallery(section);

  // On paper nothing can be unfolded.
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; folded.push(part); }
  });
  addEventListener("afterprint", () => { for (const part of folded.splice(0)) part.open = false; });
})();
