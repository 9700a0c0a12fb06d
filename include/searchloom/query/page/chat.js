// The conversation: one question at a time, its answer read from the stream as it is written.
import { ask, Failure } from "./api.js";
import { recommend } from "./recommend.js";
import { events } from "./sse.js";
import { state, update } from "./store.js";
import { t } from "./texts/index.js";

const FURTHER = 3;
let running = null;

export async function send(message) {
  const question = message.trim();
  if (!question || state.chat.busy) return;
  const turn = { question, phase: "reading", passages: [], text: "", lit: null };
  const { personalize } = state.options;
  running = new AbortController();
  update({ chat: { ...state.chat, turns: [...state.chat.turns, turn], busy: true }, announcement: t().chat.reading });
  requestAnimationFrame(() => document.querySelector(".turn:last-child")?.scrollIntoView({ block: "start" }));
  try {
    const conversation = state.chat.id && { conversation_id: state.chat.id };
    const body = { corpus: state.corpus, message: question, personalize, ...conversation };
    const response = await ask("/v1/chat", { body, signal: running.signal });
    for await (const { event, data } of events(response)) take(turn, event, data);
    // A stream that breaks off is a failure, however much of it there is.
    if (turn.phase !== "done") throw new Failure("offline");
  } catch (error) {
    change(turn, error.name === "AbortError" ? { phase: "stopped" } : { phase: "failed", error });
  }
  const announcement = turn.phase === "done" ? t().chat.ready : t().chat.stopped;
  update({ chat: { ...state.chat, busy: false }, announcement });
  if (turn.phase === "done" && state.has.has("recommend")) addFurther(turn);
}

// What else is worth reading, now that the service knows what the conversation is about.
async function addFurther(turn) {
  const further = await recommend("rag_context", FURTHER, { conversation_id: state.chat.id });
  change(turn, { further });
}

function take(turn, event, data) {
  if (event === "passages") {
    const understood = data.question === turn.question ? "" : data.question;
    change(turn, { passages: data.passages, understood, release: data.release, traceId: data.trace_id });
    update({ chat: { ...state.chat, id: data.conversation_id } });
  } else if (event === "delta") change(turn, { phase: "writing", text: turn.text + data.text });
  else if (event === "done") change(turn, { phase: "done", text: data.answer, done: data });
  else if (event === "error") {
    throw new Failure("unavailable", { message: data.message, requestId: data.request_id });
  }
}

function change(turn, patch) {
  Object.assign(turn, patch);
  update({});
}

export function stop() {
  running?.abort();
}

export function startAfresh() {
  stop();
  update({ chat: { id: null, turns: [], busy: false } });
}

// A citation was chosen: its passage is brought into sight, lit up, and the keyboard goes there.
export function light(turn, number) {
  change(turn, { lit: number });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  requestAnimationFrame(() => {
    const passage = document.getElementById(passageId(turn, number));
    passage?.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    passage?.focus({ preventScroll: true });
  });
}

export const passageId = (turn, number) => `passage-${state.chat.turns.indexOf(turn)}-${number}`;
