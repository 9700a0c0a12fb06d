// Line drawings, all on a 24 by 24 grid; what they mean is said in words beside them.
import { svg, html } from "../vendor/lit-html/lit-html.js";

const icon = (lines) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${lines}</svg>`;

export const loom = icon(svg`<path d="M7 3v4M7 11v10M12 3v9M12 16v5M17 3v4M17 11v10M3 9h18M3 14h7M14 14h7"/>`);
export const glass = icon(svg`<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>`);
export const cross = icon(svg`<path d="m6 6 12 12M18 6 6 18"/>`);
export const speech = icon(svg`<path d="M4 5h16v11H11l-4.5 4V16H4z"/>`);
export const question = icon(svg`<path d="M9 9.2a3 3 0 1 1 4.4 2.6c-.9.5-1.4 1.1-1.4 2.2M12 17.3v.2"/><circle cx="12" cy="12" r="9"/>`);
export const up = icon(svg`<path d="M12 19V5M6 11l6-6 6 6"/>`);
export const square = icon(svg`<path d="M7 7h10v10H7z"/>`);
export const sliders = icon(svg`<path d="M4 8h9M17 8h3M4 16h3M11 16h9"/><circle cx="15" cy="8" r="2"/><circle cx="9" cy="16" r="2"/>`);
const sun = icon(svg`<circle cx="12" cy="12" r="4"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4"/>`);
const moon = icon(svg`<path d="M19.5 14A8 8 0 0 1 10 4.5a8 8 0 1 0 9.5 9.5z"/>`);
const half = icon(svg`<circle cx="12" cy="12" r="8.5"/><path d="M12 3.5v17" /><path class="filled" d="M12 3.5a8.5 8.5 0 0 1 0 17z"/>`);
export const themes = { auto: half, light: sun, dark: moon };
