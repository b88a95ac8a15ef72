"""Whether whoever asks reads pages, or documents for machines: by `Accept`, and by what is asked for."""

from collections.abc import Iterator

_PAGE = "text/html"
_DOCUMENTS = ("application/problem+json", "application/json")
_LONGEST = 1_000


def prefers_page(accept: str) -> bool:
    """Tell whether a header names pages, and no document for machines before them; `*/*` alone asks for none."""
    weighed = dict(_weighed(accept[:_LONGEST]))
    weight = weighed.get(_PAGE, 0.0)
    return weight > 0 and all(weight >= weighed.get(document, 0.0) for document in _DOCUMENTS)


def _weighed(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [word.removeprefix("q=") for word in parameters if word.startswith("q=")]
        try:
            yield name, float(weights[0]) if weights else 1.0
        except ValueError:
            continue


def has_pages(path: str) -> bool:
    """Tell whether what lies at a path may be a page; everything under `/api/` is for machines."""
    return not path.startswith("/api/")
