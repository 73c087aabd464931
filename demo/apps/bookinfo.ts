/** A bookshop's page from four services. */
import { type AppOptions, type Handler, passOn } from "./app.ts";

const notFound = (): Response => Response.json({ error: "not found" }, { status: 404 });

export function details(): Handler {
  return (_, url) =>
    url.pathname === "/details/0"
      ? Response.json({
          title: "The Comedy of Errors",
          author: "William Shakespeare",
          year: 1595,
          pages: 200,
        })
      : notFound();
}

export function ratings(): Handler {
  return (_, url) => (url.pathname === "/ratings/0" ? Response.json({ first: 5, second: 4 }) : notFound());
}

/** v1 has no stars, v2 black ones, v3 red ones. */
export function reviews(version: string, options: AppOptions): Handler {
  const call = options.call ?? fetch;
  return async (request, url) => {
    if (url.pathname !== "/reviews/0") return notFound();
    const answer = {
      version,
      instance: options.instance ?? "",
      reviews: ["An entertaining play.", "Absolutely fun."],
    };
    if (version === "v1") return Response.json(answer);
    const stars = await call("http://ratings:9080/ratings/0", { headers: passOn(request) });
    return Response.json({
      ...answer,
      color: version === "v2" ? "black" : "red",
      stars: stars.ok ? await stars.json() : null,
    });
  };
}

export function productpage(options: AppOptions): Handler {
  const call = options.call ?? fetch;
  return async (request, url) => {
    if (url.pathname !== "/productpage") return notFound();
    const headers = passOn(request);
    const [book, opinions] = await Promise.all([
      call("http://details:9080/details/0", { headers }),
      call("http://reviews:9080/reviews/0", { headers }),
    ]);
    return Response.json(
      { details: await body(book), reviews: await body(opinions) },
      { status: book.ok && opinions.ok ? 200 : 502 },
    );
  };
}

async function body(response: Response): Promise<unknown> {
  if (response.ok) return response.json();
  await response.arrayBuffer();
  return { status: response.status };
}
