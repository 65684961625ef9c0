"""The results as one page that opens offline: `python -m tools.report` writes report/index.html.

sources.py reads what the pipeline has made; headline.py, network.py, autoencoders.py, training.py, figures.py and
reproduction.py turn it into plain dicts, a section of the page each; page/ holds the template, its style and its
script, and page.py fills it in.
"""
