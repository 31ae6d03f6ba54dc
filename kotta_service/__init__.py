"""The service that keeps and runs jobs.

Routes speak HTTP, `jobs` holds the rules, `store` all SQL, `dispatcher` starts what fits and learns
what became of it, `executors` place runners, `storage` keeps files, `feed` tells who waits.
"""
