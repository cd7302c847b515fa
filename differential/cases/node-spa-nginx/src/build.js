const fs = require("fs");
fs.cpSync("public", "dist", { recursive: true });
const page = fs.readFileSync("dist/index.html", "utf8").replace("%API%", process.env.API_URL);
fs.writeFileSync("dist/index.html", page);
