// Why a result stands where it does: what each part said of it, and how much that counted.
import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { t } from "../texts/index.js";

const PARTS = ["bm25", "vector", "rerank", "personal"];
const score = (number) => number.toLocaleString(t().code, { maximumFractionDigits: 3 });

export function why(result) {
  const parts = PARTS.filter((part) => result.parts?.[part]);
  if (!parts.length) return nothing;
  return html`
    <dl class="why" aria-label=${t().why.label}>
      ${parts.map((part) => row(part, result.parts[part]))}
      <div class="total"><dt>${t().why.score}</dt><dd></dd><dd>${score(result.score)}</dd><dd></dd></div>
    </dl>`;
}

function row(part, { score: raw, share, rank }) {
  const percent = Math.round(Math.max(0, Math.min(1, share)) * 100);
  return html`
    <div>
      <dt>${t().why[part]}</dt>
      <dd class="track" title=${t().why.share(percent)}>
        <svg aria-hidden="true" preserveAspectRatio="none">${svg`<rect width=${`${percent}%`} height="100%" rx="3"/>`}</svg>
        <span class="unseen">${t().why.share(percent)}</span>
      </dd>
      <dd>${score(raw)}</dd>
      <dd class="rank">${t().why.rank(rank)}</dd>
    </div>`;
}

export const timings = (steps) =>
  steps
    ? html`<p class="timings"><b>${t().why.timings}</b> ${Object.entries(steps).map(([step, ms]) => html`
        <span>${step} ${t().results.took(ms < 10 ? ms.toFixed(1) : Math.round(ms))}</span>`)}</p>`
    : nothing;
