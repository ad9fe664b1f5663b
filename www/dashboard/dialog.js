// Dialogs: confirmations, forms, and the request for a token.
import { TOKENS, storeToken } from "./api.js";
import { make } from "./dom.js";

/** @param {string} title @param {...(import("./dom.js").Child)} children */
export function openDialog(title, ...children) {
  const dialog = make("dialog", { "aria-label": title },
    make("header", { class: "row" }, make("h2", null, title), make("button", { type: "button", class: "plain", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    ...children,
  );
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.showModal();
  // Focus the first field, or the cancel button of a plain confirmation.
  /** @type {HTMLElement | null} */ (dialog.querySelector("input, select, textarea, .answers button"))?.focus();
  return dialog;
}

/**
 * A form in a dialog; resolves to whether it was submitted.
 * @param {string} title @param {string} verb @param {...(import("./dom.js").Child)} children
 * @returns {Promise<boolean>}
 */
export function confirmed(title, verb, ...children) {
  return new Promise((resolve) => {
    const answer = (/** @type {Event} */ event) => {
      event.preventDefault();
      resolve(true);
      dialog.close();
    };
    const dialog = openDialog(title,
      make("form", { onsubmit: answer },
        ...children,
        make("div", { class: "row answers" }, make("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), make("button", { type: "submit", class: "primary" }, verb)),
      ),
    );
    dialog.addEventListener("close", () => resolve(false));
  });
}

/** An input with its label. @param {string} id @param {string} name @param {import("./dom.js").Attributes} [attributes] */
export function field(id, name, attributes = {}) {
  const input = make("input", { id, required: true, ...attributes });
  return { input, row: make("p", { class: "field" }, make("label", { for: id }, name), input) };
}

/** Asks for a token that this tab does not have; resolves to whether one was entered. @param {keyof typeof TOKENS} key @param {string} [why] */
export async function requestToken(key, why = "") {
  const { input, row } = field(`token-${key}`, TOKENS[key].secret, { type: "password", autocomplete: "off" });
  const isEntered = await confirmed("Token required", "Continue", why && make("p", { class: "quiet" }, why), row, make("p", { class: "quiet" }, "The token is kept in this tab only."));
  if (isEntered && input.value.trim()) storeToken(key, input.value.trim());
  return isEntered;
}
