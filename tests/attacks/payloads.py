"""Texts that try to run script where they are shown.

Each would call `alert`, set `window.ran` or fetch from another host if it
came through; `MARK` stands in all of them.
"""

MARK = "ran7"
CALL = f"alert('{MARK}')"
SHORT = (
    f"<script>{CALL}</script>",
    f'"><script>{CALL}</script>',
    f"'><img src=x onerror={CALL}>",
    f"<svg/onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f"<iframe srcdoc='<script>{CALL}</script>'>",
    f"<a href=javascript:{CALL}>a</a>",
    f"javascript:{CALL}",
    f'<img src="x" onerror="{CALL}">',
    f'" autofocus onfocus={CALL} x="',
    f"' onmouseover='{CALL}",
    f"<details open ontoggle={CALL}>",
    f"<body onload={CALL}>",
    f"<input autofocus onfocus={CALL}>",
    f"<style>*{{background:url(javascript:{CALL})}}</style>",
    f"<math href=javascript:{CALL}>CLICK</math>",
    f"</title><script>{CALL}</script>",
    f"</textarea><script>{CALL}</script>",
    f"--><script>{CALL}</script>",
    f'<p hx-on:load="{CALL}" hx-get=/ hx-trigger=load>',
    f"<div data-hx-on-load='{CALL}'>",
    f"{{{{ {CALL} }}}}",
    f"${{{CALL}}}",
    f'<meta http-equiv=refresh content="0;url=javascript:{CALL}">',
    f"<base href=//{MARK}.example/>",
    f"<form action=javascript:{CALL}><button>go</button></form>",
    f"<object data=javascript:{CALL}>",
    f"<embed src=javascript:{CALL}>",
    f"\u003cscript\u003e{CALL}\u003c/script\u003e",
    f"<scr<script>ipt>{CALL}</scr</script>ipt>",
    f'<noscript><p title="</noscript><img src=x onerror={CALL}>">',
    f'<xmp><p title="</xmp><svg/onload={CALL}>">',
)
MARKDOWN = (
    f"[a](javascript:{CALL})",
    f"[a](JaVaScRiPt:{CALL})",
    f"[a](&#106;avascript:{CALL})",
    f"[a](java\tscript:{CALL})",
    f"[a](data:text/html,<script>{CALL}</script>)",
    f"[a](vbscript:{CALL})",
    f'![x](x "onerror={CALL}")',
    f"![x](https://{MARK}.example/x.png)",
    f"<javascript:{CALL}>",
    f"[a]: javascript:{CALL}\n\n[a]",
    f'```"><script>{CALL}</script>\nx\n```',
    f"# <img src=x onerror={CALL}>",
    f'[a](https://x.example/"onmouseover="{CALL})',
    f"| <img src=x onerror={CALL}> |\n|---|\n| a |",
)
ALL = "\n\n".join((*SHORT, *MARKDOWN))
"""All of them in one text of many paragraphs."""
