"""Edges and colours of a cut-out: from a network's mask to opacity and foreground at photo size.

The method is closed-form matting on two small grids over the subject, whose result goes to full size as linear
functions of the photo's colours. Whatever is as large as the photo is made in the pieces that somebody asks for.
"""
