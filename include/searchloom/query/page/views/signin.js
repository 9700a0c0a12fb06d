// Where there is no token: one can be given by hand. It is kept in this page's memory, and nowhere else.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { signIn } from "../api.js";
import { state, update } from "../store.js";
import { t } from "../texts/index.js";

export const signin = (begin) => html`
  <section class="signin">
    <h2>${t().signin.heading}</h2>
    <p>${t().signin.explain} ${t().signin.hint} <code>searchloom token</code></p>
    ${state.signin.failed ? html`<p class="note warn" role="alert">${t().signin.expired}</p>` : nothing}
    <form @submit=${(event) => submit(event, begin)}>
      <label for="token">${t().signin.label}</label>
      <input id="token" type="password" autocomplete="off" required placeholder=${t().signin.placeholder}>
      <button class="go" type="submit">${t().signin.submit}</button>
    </form>
  </section>`;

function submit(event, begin) {
  event.preventDefault();
  signIn(event.currentTarget.querySelector("input").value.trim());
  update({ signin: null });
  begin();
}
