"""What a page may not load."""

import re

OUTSIDE = re.compile(
    r"""<(?:script|link|iframe|object|embed)\b|<img[^>]+src=["']?(?!["']?data:)|@import|url\(\s*["']?https?:""", re.I
)
