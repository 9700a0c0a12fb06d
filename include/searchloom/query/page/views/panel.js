// The place beside the results, for a document or the conversation; on a phone it covers the page.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { closePanel, openChat, showReader } from "../panel.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import { chat, composer } from "./chat.js";
import { cross } from "./icons.js";
import { reader } from "./reader.js";

export function panel() {
  if (!state.panel) return nothing;
  const talking = state.panel === "chat";
  return html`
    <aside class="panel" aria-label=${talking ? t().chat.label : t().reader.label}>
      <div class="head">
        ${state.reader ? tab(t().reader.label, !talking, showReader) : nothing}
        ${state.has.has("chat") ? tab(t().header.chat, talking, openChat) : nothing}
        <button class="tool" type="button" aria-label=${t().close} title=${t().close} @click=${closePanel}>${cross}</button>
      </div>
      <div id="panel-body" class="inside">${talking ? chat() : reader()}</div>
      ${talking ? composer() : nothing}
    </aside>`;
}

const tab = (words, here, go) => html`
  <button class="tab" type="button" aria-pressed=${here} @click=${() => here || go()}>${words}</button>`;
