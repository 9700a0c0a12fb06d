// The search page: one file, no libraries. Texts stand in one table, so that another language is another table.
const TEXTS = {
  en: {
    searching: "Searching …",
    found: (n, a) => `${n === 1 ? "1 document" : `${n} documents`} · release ${a.release} · ${Math.round(a.took_ms)} ms`,
    nothing: "No document matches. Try other words, or the Vector ranking, which looks for meaning.",
    degraded: (parts) => `Answered without ${parts.join(" and ")}: no answer in time just now.`,
    unreachable: "The service does not answer. Is it running?",
    no_corpora: "There is no corpus to search yet: the first load is still on its way. This page looks again by itself.",
    more: "More results",
    bm25: "BM25", vector: "Vector", rerank: "Reranker", score: "Score",
    not_found_by: "not found",
    part: (p) => `#${p.rank} · ${p.score.toFixed(3)}`,
  },
};
const text = TEXTS.en;
const PARTS = { vector: "the vector ranking", rerank: "the reranker" };
const NAMES = { opensearch: "OpenSearch", elasticsearch: "Elasticsearch" };
const PAGE = 10;
const $ = (id) => document.getElementById(id);

let token = document.querySelector("meta[name=searchloom-token]").content;
const demo = token !== "";
let generation = 0; // answers to an older question are thrown away

async function call(path, body, retried = false) {
  const response = await fetch(path, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 401 && demo && !retried) {
    await renewToken();
    return call(path, body, true);
  }
  if (response.status === 401) signIn();
  throw new Error(answer.error?.message ?? `The service answered ${response.status}.`);
}

async function renewToken() { // the demo token lives for an hour, the page may live longer
  const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  token = page.querySelector("meta[name=searchloom-token]").content;
}

function signIn() {
  $("signin").hidden = false;
  $("welcome").hidden = true;
  $("token").focus();
}

const chosen = (name) => document.querySelector(`input[name=${name}]:checked`)?.value;

function choose(name, value) {
  const radio = document.querySelector(`input[name=${name}][value="${CSS.escape(value)}"]`);
  if (radio) radio.checked = true;
}

function say(sentence, bad = false) {
  $("status").textContent = sentence;
  $("status").classList.toggle("bad", bad);
}

async function search() {
  const query = $("query").value.trim();
  const mine = ++generation;
  remember(query);
  document.body.classList.toggle("both", chosen("engine") === "both");
  if (!query) {
    $("columns").replaceChildren();
    $("welcome").hidden = false;
    return say("");
  }
  $("welcome").hidden = true;
  say(text.searching);
  const engines = chosen("engine") === "both" ? Object.keys(NAMES) : [chosen("engine") ?? null];
  try {
    const answers = await Promise.all(engines.map((engine) => ask(query, engine, 0)));
    if (mine !== generation) return;
    $("columns").replaceChildren(...answers.map((answer) => column(answer, engines.length > 1, mine)));
    const one = answers[0];
    if (!chosen("engine")) choose("engine", one.engine);
    say(answers.every((a) => !a.results.length) ? text.nothing
      : answers.length === 1 ? `${text.found(one.results.length, one)} · ${NAMES[one.engine]}` : "");
    document.title = `${query} · Searchloom`;
  } catch (error) {
    if (mine !== generation) return;
    $("columns").replaceChildren();
    say(error instanceof TypeError ? text.unreachable : error.message, true);
  }
}

function ask(query, engine, offset) {
  const corpus = $("corpus").value || "default";
  return call("/v1/search", { query, engine, offset, corpus, mode: chosen("mode"), k: PAGE, explain: true });
}

function element(tag, className, content = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = content;
  return made;
}

function column(answer, beside, mine) {
  const made = element("section", "column");
  if (beside) {
    made.append(element("h2", "", NAMES[answer.engine]), element("p", "facts", text.found(answer.results.length, answer)));
  }
  if (answer.degraded.length) {
    made.append(element("p", "degraded", text.degraded(answer.degraded.map((part) => NAMES[part] ?? PARTS[part] ?? part))));
  }
  const list = element("ol");
  list.append(...answer.results.map(item));
  made.append(list);
  if (answer.results.length === PAGE) made.append(moreButton(answer, list, mine));
  return made;
}

function moreButton(answer, list, mine) {
  const button = element("button", "more", text.more);
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const next = await ask(answer.query, answer.engine, list.children.length);
      if (mine !== generation) return;
      const first = list.children.length;
      list.append(...next.results.map(item));
      list.children[first]?.focus();
      if (next.results.length < PAGE) button.remove();
    } catch (error) {
      say(error.message, true);
    }
    button.disabled = false;
  });
  return button;
}

function item(result) {
  const made = $("result").content.cloneNode(true).firstElementChild;
  made.querySelector("h2").textContent = result.title || result.source_id;
  made.querySelector(".language").textContent = result.language;
  made.querySelector(".where").textContent = [result.section, result.key].filter(Boolean).join(" — ");
  made.querySelector(".passage").append(...passage(result.passage));
  if (result.language) made.querySelector(".passage").lang = result.language;
  const why = made.querySelector(".why");
  why.hidden = !$("explain").checked;
  if (chosen("mode") === "hybrid") why.append(...bar("score", result.score, result.score.toFixed(3)));
  for (const part of ["bm25", "vector", "rerank"]) {
    const said = result.explain?.[part];
    if (said) why.append(...bar(part, said.normalised, text.part(said)));
    else if (chosen("mode") === "hybrid" && part !== "rerank") why.append(...bar(part, 0, text.not_found_by));
  }
  return made;
}

// The service escapes passages; still, nothing of a document but text and <em> gets into the page.
function* passage(markup) {
  const parsed = new DOMParser().parseFromString(markup, "text/html").body;
  for (const node of parsed.childNodes) {
    yield node.nodeName === "EM" ? element("em", "", node.textContent) : document.createTextNode(node.textContent);
  }
}

function bar(part, share, words) {
  const term = element("dt", "", text[part]);
  const track = element("dd", `track ${part}`);
  const width = Math.max(0, Math.min(1, share)) * 100;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  rect.setAttribute("width", `${width}%`);
  rect.setAttribute("height", "100%");
  svg.setAttribute("aria-hidden", "true");
  svg.append(rect);
  track.append(svg);
  return [term, track, element("dd", "", words)];
}

function remember(query) { // in the address, so that a search can be sent to somebody and the back button works
  const state = new URLSearchParams();
  if (query) state.set("q", query);
  for (const name of ["mode", "engine"]) if (chosen(name)) state.set(name, chosen(name));
  if ($("corpus").value) state.set("corpus", $("corpus").value);
  if ($("explain").checked) state.set("explain", "1");
  const address = `/?${state}`;
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
}

function recall() {
  const state = new URLSearchParams(location.search);
  $("query").value = state.get("q") ?? "";
  for (const name of ["mode", "engine"]) if (state.has(name)) choose(name, state.get(name));
  $("explain").checked = state.has("explain");
  if (state.has("corpus")) $("corpus").value = state.get("corpus");
}

async function loadCorpora() {
  const { corpora } = await call("/v1/corpora");
  const current = $("corpus").value;
  $("corpus").replaceChildren(...corpora.map(({ corpus, release }) => {
    const option = new Option(corpus, corpus);
    option.title = `release ${release}`;
    return option;
  }));
  const names = corpora.map(({ corpus }) => corpus);
  $("corpus").value = [current, "default", names[0]].find((name) => names.includes(name)) ?? "";
  if (!corpora.length) {
    say(text.no_corpora);
    setTimeout(() => loadCorpora().then(() => $("corpus").value && start()).catch(() => {}), 4000);
  }
  return corpora.length > 0;
}

function start() {
  recall();
  say("");
  if ($("query").value) search();
}

function walk(step) {
  const results = [...document.querySelectorAll(".result")];
  const at = results.indexOf(document.activeElement?.closest(".result"));
  if (at + step < 0) return $("query").focus();
  const next = results[Math.min(at + step, results.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function toggleExplain() {
  for (const why of document.querySelectorAll(".why")) why.hidden = !$("explain").checked;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target;
  const typing = target.matches("input[type=search], input[type=password], textarea, select");
  const choosing = target.matches("select, input[type=radio]");
  if (event.key === "ArrowDown" && !choosing) walk(1);
  else if (event.key === "ArrowUp" && !choosing) walk(-1);
  else if (event.key === "/" && !typing) $("query").select();
  else if (event.key === "Escape") $("query").select();
  else if (event.key === "e" && !typing) { $("explain").click(); }
  else return;
  event.preventDefault();
});
$("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
$("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  try {
    if (await loadCorpora()) start();
    $("signin").hidden = true;
  } catch (error) {
    say(error.message, true);
  }
});
for (const id of ["mode", "engine", "corpus"]) $(id).addEventListener("change", search);
$("explain").addEventListener("change", () => { toggleExplain(); remember($("query").value.trim()); });
addEventListener("popstate", start);

if (token) {
  loadCorpora().then((any) => any && start()).catch((error) => say(error instanceof TypeError ? text.unreachable : error.message, true));
} else {
  signIn();
}
