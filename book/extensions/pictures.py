"""Gives every figure of a notebook a text for those who do not see it: the caption below, or the page's title."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class Described(SphinxPostTransform):
    """Finds the paragraph in italics below each figure that has no text yet."""

    default_priority = 900

    def run(self, **kwargs):
        """Writes the texts."""
        title = next((found.astext() for found in self.document.findall(nodes.title)), "figure")
        for image in self.document.findall(nodes.image):
            if not image.get("alt"):
                image["alt"] = caption(image) or f"A figure of: {title}"


def caption(image):
    """The text of the paragraph in italics that follows an output with an image; "" if there is none."""
    below = image
    while isinstance(below.parent, nodes.container):
        below = below.parent
    after = below.next_node(siblings=True, descend=False)
    only = after.children if isinstance(after, nodes.paragraph) else []
    return " ".join(only[0].astext().split()) if len(only) == 1 and isinstance(only[0], nodes.emphasis) else ""


def setup(app):
    """Adds the transform."""
    app.add_post_transform(Described)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
