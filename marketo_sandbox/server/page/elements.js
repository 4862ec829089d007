const byId = id => document.getElementById(id);
const whole = number => number.toLocaleString("en-US");
const made = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

async function fetchJson(path) {
  const response = await fetch("/sandbox/" + path, {cache: "no-store"});
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}
