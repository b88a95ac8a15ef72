"""Floor plans of the demo network as drawings made by code; `python -m perch.venue.plans` writes the SVG files anew.

Every plan is inline-ready SVG: no style, script or outer reference, lines in `currentColor`, so that a page may colour
it. A space is one group `<g id="space-…" class="space …">` whose first shape has the class `area` and no paint of its
own: it inherits `fill="none"` from the root until the page's style says otherwise.
"""
