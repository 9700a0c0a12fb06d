// The conversation: questions and answers, and the box for the next question.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { send, startAfresh, stop } from "../chat.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import { answer } from "./answer.js";
import { square, up } from "./icons.js";

export const chat = () => html`
  <h2 id="panel-heading" class="unseen" tabindex="-1">${t().chat.label}</h2>
  <div class="turns">
    ${state.chat.turns.length ? state.chat.turns.map(turn) : html`<p class="soft invitation">${t().chat.empty}</p>`}
  </div>`;

const turn = (one) => html`
  <article class="turn">
    <h3 class="unseen">${t().chat.you}</h3>
    <p class="said">${one.question}</p>
    ${one.understood ? html`<p class="soft understood">${t().chat.understood(one.understood)}</p>` : nothing}
    <h3 class="unseen">${t().chat.answer}</h3>
    ${answer(one)}
  </article>`;

export const composer = () => html`
  <form class="composer" @submit=${submit}>
    <textarea id="question" rows="1" maxlength="2000" aria-label=${t().chat.box} placeholder=${t().chat.placeholder}
              @input=${(event) => grow(event.target)} @keydown=${keyed}></textarea>
    ${state.chat.busy ? button("button", t().chat.stop, square, stop) : button("submit", t().chat.send, up)}
  </form>
  ${state.chat.turns.length ? afresh() : nothing}`;

const button = (type, words, icon, act) => html`
  <button class="go" type=${type} aria-label=${words} title=${words} @click=${act ?? nothing}>${icon}</button>`;

const afresh = () => html`
  <p class="after"><button class="link" type="button" @click=${startAfresh}>${t().chat.fresh}</button></p>`;

function submit(event) {
  event.preventDefault();
  const box = event.currentTarget.querySelector("textarea");
  if (state.chat.busy) return;
  send(box.value);
  box.value = "";
  grow(box);
}

function keyed(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.currentTarget.form.requestSubmit();
}

function grow(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 180)}px`;
}
