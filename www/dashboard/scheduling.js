// Pauses in work that takes long: nothing is done in one go that would keep the page from answering who touches it.

/** Lets the browser do what waits, input first. @returns {Promise<unknown>} */
export const yieldToInput = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));

/** Lets the browser show what there is by now. A page that nobody sees shows nothing, and is not waited for. @returns {Promise<unknown>} */
export const nextFrame = () => (document.hidden ? yieldToInput() : new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
