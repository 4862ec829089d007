async function copyFrom(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch (error) {
    getSelection().selectAllChildren(code);
    button.textContent = "selected";
  }
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

async function showCredentials() {
  const {curl, ...settings} = await fetchJson("credentials");
  const rows = [
    ["Endpoint", settings.endpoint], ["Client ID", settings.client_id], ["Client secret", settings.client_secret],
    ["Tap or target settings", JSON.stringify(settings)], ["Example call", curl],
  ];
  const list = byId("credentials");
  list.textContent = "";
  for (const [name, value] of rows) {
    const code = made("code", "", value), button = made("button", "copy", "copy"), line = made("dd");
    button.type = "button";
    button.setAttribute("aria-label", "Copy: " + name);
    button.addEventListener("click", () => copyFrom(code, button));
    line.append(code, button);
    list.append(made("dt", "", name), line);
  }
}
