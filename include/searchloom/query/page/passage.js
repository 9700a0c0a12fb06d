// A passage comes as escaped text with the matching words between <em> and </em>. It is taken apart into pieces of
// plain text, so that nothing of a document can become markup, whatever it holds.
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-z]{2,4}));/g;

const unescape = (text) => text.replace(ENTITY, (all, decimal, hex, name) => {
  if (name) return NAMED[name] ?? all;
  const code = decimal ? Number(decimal) : parseInt(hex, 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : all;
});

export function pieces(passage) {
  const joined = passage.replace(/<\/em>(\s+)<em>/g, "$1"); // neighbours are marked as one
  return joined.split(/(<em>.*?<\/em>)/s).filter(Boolean).map((piece) => {
    const marked = /^<em>(.*)<\/em>$/s.exec(piece);
    return { text: unescape(marked ? marked[1] : piece), marked: Boolean(marked) };
  });
}
