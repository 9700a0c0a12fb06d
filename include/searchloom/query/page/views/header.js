// The mark, the search box with its suggestions, and the switches.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { switchLanguage, switchTheme } from "../preferences.js";
import { closePanel, openChat } from "../panel.js";
import { searchAgain, searchFor } from "../search.js";
import { state } from "../store.js";
import { chosenSuggestion, closeSuggestions, typing, walkSuggestions } from "../suggest.js";
import { t } from "../texts/index.js";
import { show as showHelp } from "./help.js";
import * as icons from "./icons.js";

export const header = () => html`
  <header class="top">
    <a class="mark" href="/" aria-label=${t().header.home} @click=${goHome}>${icons.loom}<span>Searchloom</span></a>
    ${state.query ? nothing : html`<div class="hero"><h1>${t().tagline}</h1><p>${t().invitation}</p></div>`}
    ${state.signin ? nothing : searchForm()}
    <div class="tools">
      ${state.has.has("chat") && !state.signin ? chatButton() : nothing}
      <button class="tool" type="button" title=${t().theme[state.theme]} aria-label=${t().theme[state.theme]}
              @click=${switchTheme}>${icons.themes[state.theme]}</button>
      <button class="tool words" type="button" lang=${state.language === "en" ? "zh-CN" : "en"}
              aria-label=${t().header.switchTo} @click=${switchLanguage}>${t().header.language}</button>
      <button class="tool" type="button" title=${t().header.help} aria-label=${t().header.help}
              @click=${showHelp}>${icons.question}</button>
    </div>
  </header>`;

const chatButton = () => html`
  <button class="ask" type="button" aria-pressed=${state.panel === "chat"}
          @click=${() => (state.panel === "chat" ? closePanel() : openChat())}>${icons.speech}${t().header.chat}</button>`;

function goHome(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  searchFor("");
  document.getElementById("query").focus();
}

function searchForm() {
  const { items, at, open } = state.suggestions;
  return html`
    <form class="search" role="search" aria-label=${t().box.label} @submit=${submit} @focusout=${left}>
      <div class="box">
        ${icons.glass}
        <input id="query" type="text" role="combobox" inputmode="search" enterkeyhint="search" maxlength="2000"
               autocomplete="off" autocapitalize="off" spellcheck="false"
               aria-label=${t().box.label} placeholder=${t().box.placeholder}
               aria-autocomplete="list" aria-controls="suggestions" aria-expanded=${open}
               aria-activedescendant=${open && at >= 0 ? `suggestion-${at}` : nothing}
               .value=${live(open && at >= 0 ? items[at].text : state.typed)}
               @input=${(event) => typing(event.target.value)} @keydown=${keyed}>
        ${state.typed
          ? html`<button class="clear" type="button" aria-label=${t().box.clear} @click=${clear}>${icons.cross}</button>`
          : html`<kbd aria-hidden="true">/</kbd>`}
        ${state.corpora?.length > 1 ? corpora() : nothing}
        <button class="go" type="submit" aria-label=${t().box.submit}><span>${t().box.submit}</span>${icons.glass}</button>
      </div>
      <ul id="suggestions" role="listbox" aria-label=${t().box.suggestions} ?hidden=${!open}>
        ${items.map((item, place) => suggestion(item.text, place))}
      </ul>
    </form>`;
}

const corpora = () => html`
  <select id="corpus" aria-label=${t().corpus} title=${t().corpus}
          @change=${(event) => searchAgain({ corpus: event.target.value })}>
    ${state.corpora.map(({ corpus }) => html`
      <option ?selected=${corpus === state.corpus} value=${corpus}>${corpus}</option>`)}
  </select>`;

function suggestion(text, place) {
  const typed = state.typed.trim();
  const at = Math.max(0, text.toLowerCase().indexOf(typed.toLowerCase()));
  const end = text.slice(at, at + typed.length).toLowerCase() === typed.toLowerCase() ? at + typed.length : at;
  return html`
    <li role="option" id=${`suggestion-${place}`} aria-selected=${place === state.suggestions.at}
        @mousedown=${(event) => event.preventDefault()} @click=${() => searchFor(text)}
        >${icons.glass}<span><b>${text.slice(0, at)}</b>${text.slice(at, end)}<b>${text.slice(end)}</b></span></li>`;
}

function submit(event) {
  event.preventDefault();
  searchFor(chosenSuggestion() ?? state.typed);
}

function keyed(event) {
  if (!state.suggestions.open || event.isComposing) return;
  if (event.key === "ArrowDown") walkSuggestions(1);
  else if (event.key === "ArrowUp") walkSuggestions(-1);
  else if (event.key === "Escape") closeSuggestions();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function left(event) {
  if (!event.currentTarget.contains(event.relatedTarget)) closeSuggestions();
}

function clear() {
  typing("");
  document.getElementById("query").focus();
}
