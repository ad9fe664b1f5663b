// A unified diff, as git prints it.

/** @param {string} name @param {string | undefined} before the current content; undefined for a new file @param {string} after */
export function diff(name, before, after) {
  const [old, now] = [lines(before ?? ""), lines(after)];
  const edits = changes(old, now);
  const head = `--- ${before === undefined ? "/dev/null" : `a/${name}`}\n+++ b/${name}`;
  return [head, ...hunks(edits)].join("\n");
}

/** @param {string} text */
const lines = (text) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

/**
 * The longest common subsequence, by the quadratic table: files here are short.
 * @param {string[]} old @param {string[]} now
 */
function changes(old, now) {
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i][j] = old[i] === now[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  /** @type {{ sign: " " | "-" | "+", line: string, i: number, j: number }[]} */
  const edits = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) edits.push({ sign: " ", line: old[i], i: i++, j: j++ });
    else if (i < old.length && (j === now.length || common[i + 1][j] >= common[i][j + 1])) edits.push({ sign: "-", line: old[i], i: i++, j });
    else edits.push({ sign: "+", line: now[j], i, j: j++ });
  }
  return edits;
}

/** Changes with their context. @param {ReturnType<typeof changes>} edits */
function hunks(edits) {
  const near = edits.map((_, at) => edits.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(({ sign }) => sign !== " "));
  /** @type {string[]} */
  const shown = [];
  edits.forEach((edit, at) => {
    if (!near[at]) return;
    if (!near[at - 1]) {
      const end = near.indexOf(false, at);
      const hunk = edits.slice(at, end < 0 ? undefined : end);
      const count = (/** @type {string} */ sign) => hunk.filter((each) => each.sign !== sign).length;
      const start = (/** @type {number} */ from, /** @type {number} */ size) => `${size ? from + 1 : from},${size}`;
      shown.push(`@@ -${start(edit.i, count("+"))} +${start(edit.j, count("-"))} @@`);
    }
    shown.push(edit.sign + edit.line);
  });
  return shown;
}

const AROUND = 3;
