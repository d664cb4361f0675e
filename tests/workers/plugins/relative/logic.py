def double(number: int) -> int:
    return 20 * number
