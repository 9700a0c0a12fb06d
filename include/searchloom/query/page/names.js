// What people call the values of fields.
import { t } from "./texts/index.js";

const TYPES = {
  "text/markdown": "Markdown", "text/html": "HTML", "text/plain": "Text", "text/csv": "CSV", "application/json": "JSON",
  "application/x-ndjson": "JSON", "application/pdf": "PDF", "application/xml": "XML",
};

export const type = (mime) => TYPES[mime] ?? mime;

export function language(code) {
  try {
    return new Intl.DisplayNames(t().code, { type: "language" }).of(code) ?? code;
  } catch {
    return code; // not a language tag
  }
}

export const value = (field, one) => {
  if (field === "mime") return type(one);
  if (field === "language") return language(one);
  return one || t().filters.none;
};

// One sentence for the parts that were late, and one each for those that need more words.
export function degraded(parts) {
  const { parts: names, whole, sentence } = t().degraded;
  const late = new Set(parts.filter((part) => !whole[part]).map((part) => names[part] ?? `“${part}”`));
  return [...parts.map((part) => whole[part]).filter(Boolean), ...(late.size ? [sentence([...late])] : [])].join(" ");
}
