"use strict";
// A picture in a dialog: zoom by wheel, pinch and keys, pan by drag and keys, one-to-one pixels, back to the whole.
// The same file serves the pages of a station and the report, which is a file without a server.
(() => {
  const MOST = 64;
  const STEP = 1.25;
  const PAN = 0.15;
  const dialog = document.getElementById("zoom");
  if (!dialog || !dialog.showModal) return;
  const find = (name) => dialog.querySelector(`[data-zoom-part="${name}"]`);
  const [stage, title, level, mixing, previous, next] = ["stage", "title", "level", "mixing", "previous", "next"].map(find);
  let opener = null;
  let group = [];
  let wanted = null;
  let picture = null;
  let size = { width: 1, height: 1 };
  let view = { scale: 1, x: 0, y: 0 };
  const held = new Map();

  const room = () => ({ width: stage.clientWidth, height: stage.clientHeight });
  const whole = () => Math.min(room().width / size.width, room().height / size.height);
  const oneToOne = () => 1 / (window.devicePixelRatio || 1);

  // What is larger than the room stays in it without a gap; what is smaller stands in its middle.
  function inside(place, length, space) {
    return length <= space ? (space - length) / 2 : Math.min(0, Math.max(space - length, place));
  }

  function draw() {
    if (!picture) return;
    const { width, height } = room();
    view.x = inside(view.x, size.width * view.scale, width);
    view.y = inside(view.y, size.height * view.scale, height);
    picture.style.width = `${size.width * view.scale}px`;
    picture.style.height = `${size.height * view.scale}px`;
    picture.style.transform = `translate(${view.x}px, ${view.y}px)`;
    const pixels = view.scale / oneToOne();
    picture.classList.toggle("pixels", pixels >= 3);
    level.textContent = `${Math.round(100 * pixels)} %`;
  }

  function zoomTo(scale, x = room().width / 2, y = room().height / 2) {
    const fitted = whole();
    const bounded = Math.min(Math.max(scale, Math.min(fitted, oneToOne())), MOST * Math.max(fitted, oneToOne()));
    view.x = x - (x - view.x) * (bounded / view.scale);
    view.y = y - (y - view.y) * (bounded / view.scale);
    view.scale = bounded;
    draw();
  }

  function fit() { view = { scale: whole(), x: 0, y: 0 }; draw(); }
  function pan(x, y) { view.x += x; view.y += y; draw(); }

  // Numbers of ids must be unique in a page, so a copy has none.
  function copyOf(link) {
    const chosen = link.dataset.zoom ? document.querySelector(link.dataset.zoom) : null;
    const shown = chosen || (link.matches(".picture") ? link : link.querySelector("svg, img"));
    if (!shown) return null;
    const copy = shown.cloneNode(true);
    for (const each of [copy, ...copy.querySelectorAll("[id]")]) each.removeAttribute("id");
    for (const name of ["loading", "tabindex", "role", "data-zoom"]) copy.removeAttribute(name);
    if (copy.matches("svg")) {
      const { width, height } = shown.viewBox.baseVal;
      return { copy, size: { width, height } };
    }
    const img = shown.matches("img") ? shown : shown.querySelector("img");
    return { copy, size: { width: img.naturalWidth || img.width || 1, height: img.naturalHeight || img.height || 1 } };
  }

  // A link to a picture that the page does not show: it is loaded first.
  function load(link) {
    const image = new Image();
    image.alt = link.dataset.zoomTitle || "";
    image.addEventListener("load", () => {
      if (dialog.open && wanted === link) put(link, { copy: image, size: { width: image.naturalWidth, height: image.naturalHeight } });
    });
    image.addEventListener("error", () => { if (wanted === link) { dialog.close(); location.assign(link.href); } });
    image.src = link.href;
  }

  // What is shown at once may be reduced; the whole image comes when it is there.
  function sharpen(link, copy) {
    const address = link.dataset.zoomLarge;
    const base = address && (copy.matches("img") ? copy : copy.querySelector("image"));
    if (!base) return;
    const large = new Image();
    large.addEventListener("load", () => base.setAttribute(base.matches("img") ? "src" : "href", address));
    large.src = address;
  }

  function show(link) {
    wanted = opener = link;
    const found = copyOf(link);
    if (found) put(link, found); else load(link);
  }

  function put(link, found) {
    const before = picture && size.width === found.size.width && size.height === found.size.height ? { ...view } : null;
    ({ copy: picture, size } = found);
    picture.classList.add("zoomed");
    stage.replaceChildren(picture);
    sharpen(link, picture);
    title.textContent = link.dataset.zoomTitle || picture.getAttribute("aria-label") || picture.getAttribute("alt") || "";
    // Its place stays, so that the picture does not jump from stage to stage.
    if (mixing) mixing.style.visibility = picture.querySelector(".over") ? "" : "hidden";
    const place = group.indexOf(link);
    previous.hidden = next.hidden = group.length < 2;
    previous.disabled = place <= 0;
    next.disabled = place === group.length - 1;
    // The same place of another stage of the same picture is what one wants to compare.
    if (before) { view = before; draw(); } else fit();
  }

  function open(link) {
    const around = link.closest("[data-zoom-group]");
    group = around ? Array.from(around.querySelectorAll("[data-zoom]")).filter((one) => one.getClientRects().length) : [link];
    picture = null;
    dialog.showModal();
    document.documentElement.classList.add("zooming");
    show(link);
    stage.focus();
  }

  function turn(by) {
    const link = group[group.indexOf(opener) + by];
    if (link) show(link);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-zoom]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(link);
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches('[data-zoom][role="button"]') || !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    event.target.click();
  });

  dialog.addEventListener("close", () => {
    document.documentElement.classList.remove("zooming");
    held.clear();
    stage.replaceChildren();
    picture = null;
    // The page may have changed meanwhile: its new part has the same id.
    const back = opener && !opener.isConnected && opener.id ? document.getElementById(opener.id) : opener;
    back?.focus({ preventScroll: true });
  });

  const acts = {
    in: () => zoomTo(view.scale * STEP),
    out: () => zoomTo(view.scale / STEP),
    fit,
    pixels: () => zoomTo(oneToOne()),
    previous: () => turn(-1),
    next: () => turn(1),
    close: () => dialog.close(),
  };
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom-act]");
    if (button) acts[button.dataset.zoomAct]();
  });

  const keys = {
    "+": acts.in, "=": acts.in, "-": acts.out, _: acts.out, 0: fit, 1: acts.pixels, PageUp: acts.previous, PageDown: acts.next,
    ArrowLeft: () => pan(PAN * room().width, 0), ArrowRight: () => pan(-PAN * room().width, 0),
    ArrowUp: () => pan(0, PAN * room().height), ArrowDown: () => pan(0, -PAN * room().height),
  };
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input") || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  const at = (event) => { const box = stage.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    // A line of a wheel is about 16 pixels; two fingers on a pad send few pixels with the control key.
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    zoomTo(view.scale * Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), ...at(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    if (view.scale > 1.01 * whole()) fit(); else zoomTo(Math.max(oneToOne(), 3 * whole()), ...at(event));
  });

  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button) return;
    event.preventDefault();
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    held.set(event.pointerId, at(event));
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = Array.from(held.entries()).find(([id]) => id !== event.pointerId)?.[1];
    held.set(event.pointerId, now);
    if (!other) { pan(now[0] - before[0], now[1] - before[1]); return; }
    const [was, is] = [before, now].map(([x, y]) => Math.hypot(x - other[0], y - other[1]));
    pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    if (was > 0) zoomTo(view.scale * (is / was), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) stage.addEventListener(kind, (event) => held.delete(event.pointerId));
  addEventListener("resize", () => { if (dialog.open) draw(); });
})();
