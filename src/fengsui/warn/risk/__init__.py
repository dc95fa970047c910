"""In: what is known of sites as counts, weights. Out: index and level of sites and of the tree, each point explained.

Must never: use a float, a clock or a weight that is not in the weights; claim to be anybody's official formula.
"""
