"""What the results in outputs/reference show: sentences and tables of their pages, made from the tables beside them.

`python docs/findings` writes them again, into the blocks between `<!-- generated: NAME -->` and `<!-- end -->` of each
README.md, with the files that are made from the same results. Every number of a result is computed; a test compares.
"""
