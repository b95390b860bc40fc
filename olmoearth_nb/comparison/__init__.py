"""Two models on the same labelled places: should you switch from one to the other?"""
