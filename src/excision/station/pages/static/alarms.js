"use strict";
(() => {
  const kept = {
    get(name) { try { return localStorage.getItem(`excision-${name}`); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(`excision-${name}`, value); } catch { /* keeps nothing */ } },
  };
  const soundIsOn = () => kept.get("sound") !== "off";
  let audio = null;

  // A browser lets a page sound only after a click or a key press on it: until then there is no audio at all.
  async function unlock() {
    audio ??= new AudioContext();
    if (audio.state !== "running") await audio.resume();
    show();
  }
  function beep() {
    if (audio?.state !== "running") return false;
    for (const [after, pitch] of [[0, 880], [.28, 660]]) {
      const begin = audio.currentTime + after, tone = audio.createOscillator(), loud = audio.createGain();
      tone.type = "square";
      tone.frequency.value = pitch;
      loud.gain.setValueAtTime(.0001, begin);
      loud.gain.exponentialRampToValueAtTime(.4, begin + .02);
      loud.gain.exponentialRampToValueAtTime(.0001, begin + .24);
      tone.connect(loud).connect(audio.destination);
      tone.start(begin);
      tone.stop(begin + .25);
    }
    document.documentElement.dataset.beeps = String(Number(document.documentElement.dataset.beeps ?? 0) + 1);
    return true;
  }
  function show() {
    for (const button of document.querySelectorAll("[data-sound-button]")) button.textContent = soundIsOn() ? button.dataset.on : button.dataset.off;
    for (const hint of document.querySelectorAll("[data-sound-blocked]")) hint.hidden = !soundIsOn() || audio?.state === "running";
  }

  for (const gesture of ["pointerdown", "keydown"]) document.addEventListener(gesture, () => { if (soundIsOn()) unlock(); });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (button?.matches("[data-sound-test]")) { await unlock(); beep(); }
    if (button?.matches("[data-sound-button]")) { kept.set("sound", soundIsOn() ? "off" : "on"); show(); }
  });
  setInterval(() => {
    if (document.querySelector("[data-sounding]") && soundIsOn()) beep();
    show();
  }, 1500);
  show();
})();
