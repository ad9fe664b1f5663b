// The configuration of Lighthouse CI, from budgets.json. Set LAB_DEVICE=desktop to emulate a desktop.
const { lighthouserc } = require("edge-vitals/lighthouse");

module.exports = lighthouserc({
  budgets: `${__dirname}/budgets.json`,
  urls: ["URL"],
  device: process.env.LAB_DEVICE === "desktop" ? "desktop" : "phone",
  collect: { startServerCommand: "COMMAND", startServerReadyPattern: "READY" },
});
