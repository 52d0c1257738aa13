// Light or dark as it was chosen here, before anything is drawn; without a choice, as the system has it.
{
  const chosen = localStorage.getItem("smtpfix.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
