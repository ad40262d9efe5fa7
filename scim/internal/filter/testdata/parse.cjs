// Reads a JSON array of filters from standard input and writes, for each, what scim2-parse-filter makes of it:
// {"filter": …} or {"error": "…"}.
const { parse } = require("scim2-parse-filter");

let text = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", () => {
  const answers = JSON.parse(text).map((filter) => {
    try {
      return { filter: parse(filter) };
    } catch (error) {
      return { error: String(error) };
    }
  });
  process.stdout.write(JSON.stringify(answers));
});
