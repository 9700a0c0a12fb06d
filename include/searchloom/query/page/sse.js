// Server-sent events of a response, as { event, data } objects with the data parsed.
export async function* events(response) {
  let event = "message";
  let data = [];
  for await (const line of lines(response.body)) {
    if (line === "") {
      if (data.length) yield { event, data: JSON.parse(data.join("\n")) };
      event = "message";
      data = [];
    } else if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    // Anything else is a comment (a sign of life) or a field that this page has no use for.
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const pieces = (rest + value).split(/\r\n|\n/);
      rest = pieces.pop();
      yield* pieces;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {}); // whoever stops reading stops the service's work too
  }
}
