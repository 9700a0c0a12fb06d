// An answer's text taken apart: plain pieces, citations such as [2], and what no passage supports.
const CITATION = /\[(\d{1,3})\]/g;

// `done`: the stream's last event, or undefined while the answer is being written. Its offsets count code points.
export function pieces(text, passages, done) {
  const known = new Set(passages.map(({ number }) => number));
  const doubtful = new Set((done?.citations ?? []).filter(({ supported }) => !supported).map(({ start }) => start));
  const cuts = unsupported(text, done?.unsupported ?? []);
  const found = [];
  let at = 0;
  for (const match of text.matchAll(CITATION)) {
    const number = Number(match[1]);
    if (!known.has(number)) continue;
    const end = text.slice(0, match.index).trimEnd().length; // a citation stands close to its word
    found.push(...plain(text, at, Math.max(at, end), cuts));
    const start = [...text.slice(0, match.index)].length;
    found.push({ citation: number, doubtful: doubtful.has(start) });
    at = match.index + match[0].length;
  }
  return [...found, ...plain(text, at, text.length, cuts)];
}

export const cited = (text) => new Set(Array.from(text.matchAll(CITATION), (match) => Number(match[1])));

// Code points to UTF-16, which is what strings of this language count.
function unsupported(text, spans) {
  const points = [...text];
  const offset = (point) => points.slice(0, point).join("").length;
  return spans.map(({ start, end }) => [offset(start), offset(end)]);
}

function* plain(text, from, to, cuts) {
  let at = from;
  for (const [start, end] of cuts) {
    const [first, last] = [Math.max(start, at), Math.min(end, to)];
    if (first >= last) continue;
    if (first > at) yield { text: text.slice(at, first) };
    yield { text: text.slice(first, last), unsupported: true };
    at = last;
  }
  if (at < to) yield { text: text.slice(at, to) };
}
