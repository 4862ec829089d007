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
  const told = await fetchJson("credentials");
  const {curl, ...settings} = told;
  const rows = [
    ["Endpoint", told.endpoint], ["Client ID", told.client_id], ["Client secret", told.client_secret],
    ["Settings of tap or target", JSON.stringify(settings)], ["A first call", curl],
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
