// Yields within long work, so that the page responds to input.

/** Yields to pending work, input first. @returns {Promise<unknown>} */
export const yieldToInput = () => globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));

/** Resolves after the next frame. A hidden page draws no frames, so it only yields. @returns {Promise<unknown>} */
export const nextFrame = () => (document.hidden ? yieldToInput() : new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
