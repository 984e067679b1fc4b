// What a verdict sounds and feels like; colour, symbol and word say the same.

// [frequency Hz, length s]… and vibration ms.
const HIGH_LOW = { notes: [[660, 0.12], [330, 0.22]], shake: [120, 60, 120] };
const REFUSED = { notes: [[220, 0.16], [220, 0.16], [180, 0.3]], shake: [250, 80, 250] };
const SIGNALS = {
  admitted: { notes: [[880, 0.09], [1320, 0.14]], shake: [60] },
  already_admitted: HIGH_LOW,
  conflict: HIGH_LOW,
  pending: { notes: [[520, 0.18]], shake: [40, 40, 40] },
  wrong_event: REFUSED,
  wrong_gate: REFUSED,
  cancelled: REFUSED,
  unknown: REFUSED,
  revoked: REFUSED,
  invalid: REFUSED,
};

let audio = null;

// Browsers let a page sound only after somebody touched it – an iPhone: lifted the finger – and take the sound away for
// a call or in the background. The button is there for as long as there is no sound.
const TOUCHES = ["pointerdown", "pointerup", "touchend", "click", "keydown", "visibilitychange"];

export function wireSound(button) {
  const draw = () => {
    button.hidden = !audio || audio.state === "running";
  };
  const allow = () => {
    try {
      audio ??= new AudioContext();
      audio.onstatechange = draw;
      if (audio.state !== "running") audio.resume().catch(() => {});
    } catch {
      audio = null;
    }
    draw();
  };
  // Heard with an iPhone's ringer switched off as well.
  if (navigator.audioSession) navigator.audioSession.type = "playback";
  for (const touch of TOUCHES) document.addEventListener(touch, allow);
  allow();
}

export function signal(verdict) {
  const { notes, shake } = SIGNALS[verdict] ?? REFUSED;
  try {
    navigator.vibrate?.(shake);
  } catch {
    // Without vibration there are still four signs.
  }
  if (audio?.state === "running") play(notes);
}

function play(notes) {
  let at = audio.currentTime + 0.01;
  for (const [frequency, length] of notes) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.type = "square";
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.18, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + length);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + length);
    at += length;
  }
}
