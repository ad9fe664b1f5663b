// Lighthouse CI's configuration, computed from budgets.json. LAB_DEVICE=desktop asks for the desktop.
const { lighthouserc } = require("edge-vitals/lighthouse");

module.exports = lighthouserc({
  budgets: `${__dirname}/budgets.json`,
  urls: ["http://localhost:3000/"],
  device: process.env.LAB_DEVICE === "desktop" ? "desktop" : "phone",
  collect: { startServerCommand: "npm run start", startServerReadyPattern: "Ready" },
});
