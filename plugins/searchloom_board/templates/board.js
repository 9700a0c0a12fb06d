"use strict";

// The Airflow UI keeps its choice of colours here; this page lies in a frame of it.
const chosen = localStorage.getItem("theme");
const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
document.documentElement.classList.toggle("dark", (chosen && chosen !== "system" ? chosen : system) === "dark");

const FINISHED = new Set(["success", "failed"]);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function airflow(path, options = {}) {
  const answer = await fetch(`/api/v2${path}`, { headers: { "Content-Type": "application/json" }, ...options });
  if (!answer.ok) throw new Error(`Airflow answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
  return answer.json();
}

// Airflow's own API starts the DAG: its permissions, its audit log, its task log.
async function rollBack(button, say) {
  const { dag, corpus, number, from } = button.dataset;
  if (!button.dataset.asked) {
    button.dataset.asked = "yes";
    button.textContent = `Yes, serve release ${number} instead of ${from}`;
    say("Press once more to confirm.");
    return;
  }
  button.disabled = true;
  try {
    await airflow(`/dags/${dag}`, { method: "PATCH", body: JSON.stringify({ is_paused: false }) });
    const body = JSON.stringify({ logical_date: null, conf: { corpus, number: Number(number) } });
    let run = await airflow(`/dags/${dag}/dagRuns`, { method: "POST", body });
    while (!FINISHED.has(run.state)) {
      say(`Rolling back: the run is ${run.state}.`);
      await sleep(500);
      run = await airflow(`/dags/${dag}/dagRuns/${encodeURIComponent(run.dag_run_id)}`);
    }
    if (run.state === "success") location.reload();
    else say(`The run ${run.dag_run_id} of ${dag} failed; its log says why. Release ${from} goes on serving.`);
  } catch (error) {
    say(String(error.message));
  }
  button.disabled = false;
}

addEventListener("DOMContentLoaded", () => {
  document.getElementById("corpus")?.addEventListener("change", (event) => event.target.form.submit());
  const button = document.getElementById("rollback");
  const outcome = document.getElementById("outcome");
  button?.addEventListener("click", () => rollBack(button, (words) => { outcome.textContent = words; }));
});
