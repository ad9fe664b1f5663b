// Lighthouse CI's configuration, computed from budgets.json. LAB_DEVICE=desktop asks for the desktop.
const { lighthouserc } = require("edge-vitals/lighthouse");

module.exports = lighthouserc({
  budgets: `${__dirname}/budgets.json`,
  urls: (process.env.LAB_URLS ?? "http://localhost:8787/demo/").split(" "),
  device: process.env.LAB_DEVICE === "desktop" ? "desktop" : "phone",
});
