// ---- refusals, and tokens

// A browser does not tell a page why a WebSocket was refused. The same entries as lines are refused for the same reasons.
// Null if they are not, or if the server does not say.
async function whyRefused() {
  const from = newest === null ? [['last', 1], ['follow', 0]] : [['cursor', newest], ['before', newest + 1]];
  return refusalOf([...subscription(), ...from]);
}

async function refusalOf(parameters) {
  const gone = new AbortController();
  try {
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(STATUS_PATIENCE_MS)]);
    const answer = await get(`ndjson?${queryOf([['stream', STREAM], ...parameters])}`, signal);
    if (![400, 401, 403, 429, 503].includes(answer.status)) return null;
    const { parameter } = await answer.clone().json();
    return { status: answer.status, parameter, text: await errorOf(answer) };
  } catch {
    return null;
  } finally {
    gone.abort(); // what an accepted request brings is not wanted
  }
}

async function errorOf(answer) {
  const { error, parameter, message } = await answer.json();
  const text = visible(String(message ?? error));
  return parameter && !text.startsWith(parameter) ? `${visible(parameter)}: ${text}` : text;
}

// Shows the form for a token, with what the server says; without a text it is put away.
function askForToken(text) {
  $('token-form').hidden = !text;
  $('token-text').textContent = text;
}

function takeToken(event) {
  event.preventDefault();
  const given = $('token').value.trim();
  if (!given) return;
  // It is kept by this page alone, and does not get into its address.
  token = given;
  $('token').value = '';
  $('token-text').textContent = '';
  refusal = '';
  describeState();
  connect();
  showSample();
}
