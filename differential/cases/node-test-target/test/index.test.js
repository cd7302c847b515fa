const t = require("node:test");
t("it", () => { require("assert").equal(require(".."), 2); });
