// Every English sentence of the page. A function takes what the sentence is about.
const many = (n, one, more) => `${n} ${n === 1 ? one : more}`;
const list = (words) => new Intl.ListFormat("en", { type: "conjunction" }).format(words);

export default {
  code: "en",
  name: "English",
  title: "Searchloom",
  tagline: "What are you looking for?",
  invitation: "Ask in your own words, or type an exact name.",
  skip: "Skip to the results",
  close: "Close",
  retry: "Try again",
  loading: "Loading …",

  box: { label: "Search", placeholder: "Search the documents", submit: "Search", clear: "Clear the box", suggestions: "Suggestions" },
  corpus: "Collection",
  header: { chat: "Ask", help: "Keyboard and help", home: "Searchloom, start page", language: "中文", switchTo: "切换到中文" },
  theme: { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" },

  options: {
    label: "Options", mode: "Ranking", engine: "Engine", more: "Order",
    hybrid: "Words and meaning", bm25: "Words only", vector: "Meaning only",
    automatic: "Automatic", explain: "Show why each result stands where it does",
    personalize: "Order for me", rerank: "Let the reranker read the best ones",
  },
  engines: { opensearch: "OpenSearch", elasticsearch: "Elasticsearch" },

  filters: {
    label: "Filters", mime: "Type", language: "Language", section: "Section", date: "Changed",
    after: "Since", before: "Before", clear: "Clear all filters", remove: (name) => `Remove the filter ${name}`,
    show: (n) => (n ? `Filters · ${n}` : "Filters"), none: "without a section", more: "Show more", less: "Show fewer",
  },

  results: {
    label: "Results",
    searching: "Searching …",
    shown: (n, more) => (more ? `The best ${n} documents` : many(n, "document", "documents")),
    release: (n) => `release ${n}`,
    took: (ms) => `${ms} ms`,
    corrected: (text) => `These are results for “${text}”.`,
    asTyped: (text) => `Search for “${text}” as typed`,
    more: "More results",
    all: "These are all results.",
    moreFailed: "The next results did not come.",
    open: "Open",
    why: "Why here?",
    nothing: "No document matches.",
    nothingTips: ["Fewer words find more.", "“Words and meaning” also finds other wordings.", "Look at the spelling of names."],
    nothingFiltered: "The filters may hide what you look for.",
  },
  why: {
    label: "Why this result stands here",
    bm25: "Words", vector: "Meaning", rerank: "Reranker", personal: "For you", score: "Total",
    share: (percent) => `${percent} % of the total`,
    rank: (place) => `#${place}`,
    timings: "Time",
  },

  reader: {
    label: "Document", untitled: "Untitled", from: "From", language: "Language", type: "Type", section: "Section",
    passage: "Passage", similar: "Similar documents", noSimilar: "Nothing similar was found.", ask: "Ask about this",
    question: (title) => `What does “${title}” say?`,
  },

  home: {
    recommended: "For you",
    reason: (source, said) => said,
    nothing: "As you search and read, this page learns what to put here.",
    failed: "Recommendations are not there just now; search works.",
  },

  chat: {
    label: "Ask the documents", empty: "Ask a question. The answer comes from the documents, with the passages it stands on.",
    placeholder: "Your question", box: "Your question", send: "Send", stop: "Stop", fresh: "New conversation",
    you: "You", answer: "Answer", understood: (question) => `Understood as: ${question}`,
    reading: "Reading the documents …", writing: "Writing …",
    sources: "Passages the answer cites", others: (n) => `Also read: ${many(n, "passage", "passages")}`,
    citation: (n) => `Passage ${n}`, doubtful: (n) => `Passage ${n}, which may not support this`,
    unsupported: "No passage supports what is underlined. Check it before you rely on it.",
    unknown: "The documents that you may see do not answer this.",
    stopped: "Stopped.", ready: "The answer is there.",
    open: "Open the document", further: "Further reading",
  },

  degraded: {
    sentence: (parts) => `Without ${list(parts)}: no answer in time just now.`,
    whole: { // parts of which a sentence of their own says more
      llm: "The language model did not answer in time. These are the passages themselves.",
      guard: "The rest of the answer was withheld: it did not look like an answer from the documents.",
    },
    parts: {
      vector: "the ranking by meaning", rerank: "the reranker", personal: "your personal order",
      opensearch: "OpenSearch", elasticsearch: "Elasticsearch", airec: "the recommending service",
      embedding: "the comparison by meaning", rewrite: "the rewording of the question", memory: "the conversation so far",
    },
  },

  release: {
    changed: (number) => `Release ${number} serves now; these results are from before.`,
    again: "Search again",
  },

  errors: {
    heading: "That did not work",
    offline: "The service does not answer. Is it running, and are you connected?",
    busy: (seconds) => `The service is busy. Try again in ${many(seconds, "second", "seconds")}.`,
    unavailable: "The search engines do not answer just now.",
    reference: (id) => `Reference for whoever helps: ${id}`,
    noCorpora: "There is nothing to search yet: the first load is still on its way. This page looks again by itself.",
  },

  signin: {
    heading: "Sign in", explain: "Searching needs a token.", hint: "On the machine that runs Searchloom, this prints one:",
    label: "Token", placeholder: "Paste a token", submit: "Use it", expired: "That token is not valid here, or no longer.",
  },

  help: {
    heading: "Keyboard", shortcuts: "Use single keys as shortcuts",
    keys: [
      ["/", "Go to the search box"],
      ["↓ ↑", "Walk through suggestions and results"],
      ["Enter", "Search, or open the result"],
      ["Esc", "Close what is open, then back to the box"],
      ["c", "Ask the documents"],
      ["e", "Show or hide why results stand where they do"],
      ["?", "This help"],
    ],
    words: "“Exact words” between quotes are searched as they stand.",
  },
};
